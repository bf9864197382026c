"""A second decoder of archives, written from docs/format.md alone, in Python's whole numbers: slow, and nothing else.

A tensor is a pair of its shape and a flat list.
"""

import hashlib
import itertools
import json
import lzma
import math
import struct
import zlib
from itertools import product

import zstandard

# -- container ---------------------------------------------------------------------------------------------------------


def read(data):
    """Return header, integer model and blocks (method, items, digest, payload) of an archive."""
    magic, major, _, length = struct.unpack_from("<8sBBI", data)
    assert magic == b"\x89VAZ\r\n\x1a\n"
    assert major == 1
    header = json.loads(data[14 : 14 + length])
    stop = 14 + length + header["model_bytes"]
    assert checksum(data, stop) == zlib.crc32(data[:stop])
    assert data[-8:] == b"\x1a\nZAVEND"
    (at,) = struct.unpack_from("<Q", data, len(data) - 16)
    mark, length = struct.unpack_from("<2sI", data, at)
    assert mark == b"VI"
    assert checksum(data, at + 6 + length) == zlib.crc32(data[at : at + 6 + length])
    index = json.loads(zstandard.ZstdDecompressor().decompress(data[at + 6 : at + 6 + length]))
    blocks = [read_block(data, at, n_items) for at, n_items in index["blocks"]]
    packed = data[stop - header["model_bytes"] : stop]
    return header, lzma.decompress(packed) if packed else None, blocks


def read_block(data, at, n_items):
    mark, method, _, items, length, digest = struct.unpack_from("<2sBBII8s", data, at)
    assert (mark, items) == (b"VB", n_items)
    assert checksum(data, at + 20 + length) == zlib.crc32(data[at : at + 20 + length])
    return method, items, digest, data[at + 20 : at + 20 + length]


def checksum(data, at):
    return struct.unpack_from("<I", data, at)[0]


# -- stack -------------------------------------------------------------------------------------------------------------


class Stack:
    def __init__(self, words):
        self.words, self.head = list(words), 0
        self.refill()

    def refill(self):
        while self.head < 1 << 32 and self.words:
            self.head = self.head << 32 | self.words.pop()

    def push(self, k, f):
        if self.head >> 40 >= f[k]:
            self.words.append(self.head % 2**32)
            self.head >>= 32
        self.head = (self.head // f[k] << 24) + self.head % f[k] + sum(f[:k])

    def pop(self, f):
        q = self.head % 2**24
        k = next(k for k in range(len(f)) if q < sum(f[: k + 1]))
        self.head = (self.head >> 24) * f[k] + q - sum(f[:k])
        self.refill()
        return k


# -- tables ------------------------------------------------------------------------------------------------------------

EXP_32 = 329812979126047300897653247035862915816
EXP_128 = 337634268532609249517744113622081347951
EXP_512 = 339618401537809365075354109784799900813
EXP_SQUARE = 340281068849199706686796915841848278311
EXP_EIGHTH_SQUARE = 340282204661700319870089970029119685700


def powers(ratio, n):
    found = [1 << 128]
    for _ in range(n):
        found.append(found[-1] * ratio >> 128)
    return found


def sigmoid(ratio, n, bits):
    below = [(p << bits) // ((1 << 128) + p) for p in powers(ratio, n)]
    return below[:0:-1] + [(1 << bits) - b for b in below]


def normal():
    density, sums = EXP_EIGHTH_SQUARE, [0]
    for ratio in powers(EXP_SQUARE, 4096)[1:]:
        sums.append(sums[-1] + density)
        density = density * ratio >> 128
    rise = [(s << 23) // sums[-1] for s in sums]
    return [(1 << 23) - r for r in rise[:0:-1]] + [(1 << 23) + r for r in rise]


WEIGHTS = [p >> 108 for p in powers(EXP_32, 448)]
GATES = sigmoid(EXP_128, 1280, 12)
ELU = [(p >> 116) - 4096 for p in powers(EXP_128, 1280)]
CHANCES = sigmoid(EXP_32, 512, 24)
LOGISTIC = [0, *sigmoid(EXP_512, 8192, 24)[1:-1], 1 << 24]
NORMAL = normal()


def clip(x, low, high):
    return min(max(x, low), high)


def nearest(table, index):
    return table[clip(index, 0, len(table) - 1)]


def centre_of(table, index):
    """Return the entry of a table whose middle has the index 0."""
    return nearest(table, index + len(table) // 2)


# -- networks ----------------------------------------------------------------------------------------------------------


def rounded(total, shift):
    return (total + (1 << shift >> 1)) >> shift


FUNCTIONS = {
    "relu": lambda h: 32 * max(h, 0),
    "tanh": lambda h: 2 * centre_of(GATES, 2 * h) - 4096,
    "silu": lambda h: h * centre_of(GATES, h) >> 7,
    "elu": lambda h: 32 * h if h > 0 else nearest(ELU, -h),
}


def run(steps, shape, h):
    """Return the shape and the numbers of what steps make of numbers h."""
    for step in steps:
        shape, h = OPERATIONS[step["is"]](step, shape, h)
    return shape, h


def values(steps, h):
    return run(steps, (len(h),), h)[1]


def multiply(step, shape, h):
    (out, *inner), w = step["weight"]
    shape, totals = matrix(out, w, h) if len(inner) == 1 else convolved(step, shape, h)
    size = len(totals) // out
    bias = step["bias"][1] if len(step["bias"][0]) == 3 else [b for b in step["bias"][1] for _ in range(size)]
    scales = [pair for pair in zip(step["multiplier"][1], step["shift"][1], strict=True) for _ in range(size)]
    made = [rounded((t + b) * m, s) for t, b, (m, s) in zip(totals, bias, scales, strict=True)]
    return shape, [clip(y, step["low"], step["high"]) for y in made]


def matrix(out, w, h):
    rows = (w[o * len(h) : (o + 1) * len(h)] for o in range(out))
    return (out,), [sum(a * b for a, b in zip(row, h, strict=True)) for row in rows]


def convolved(step, shape, h):
    (out, channels, kernel, _), w = step["weight"]
    (_, height, width), p, stride = shape, step["padding"], step["stride"]
    sides = [(side + 2 * p - kernel) // stride + 1 for side in (height, width)]
    totals = []
    for o, i, j in product(range(out), *map(range, sides)):
        total = 0
        for c, k, m in product(range(channels), range(kernel), range(kernel)):
            y, x = i * stride + k - p, j * stride + m - p
            if 0 <= y < height and 0 <= x < width:
                total += w[((o * channels + c) * kernel + k) * kernel + m] * h[(c * height + y) * width + x]
        totals.append(total)
    return (out, *sides), totals


def gate(step, shape, h):
    n, high = len(h) // 2, step["high"]
    pairs = zip(h[:n], h[n:], strict=True)
    made = [clip(rounded(a * centre_of(GATES, g), step["shift"] + 12), -high, high) for a, g in pairs]
    return (shape[0] // 2, *shape[1:]), made


def activate(step, shape, h):
    f, high = FUNCTIONS[step["function"]], step["high"]
    return shape, [clip(rounded(f(x) * step["multiplier"], step["shift"]), -high, high) for x in h]


def add_input(step, shape, h):
    high, (_, made) = step["high"], run(step["steps"], shape, h)
    (_, multipliers), (_, shifts) = step["multiplier"], step["shift"]
    factors = itertools.cycle(zip(multipliers, shifts, strict=True))
    kept = [clip(rounded(x * m, s), -high, high) for x, (m, s) in zip(h, factors, strict=False)]
    return shape, [clip(x + y, -high, high) for x, y in zip(kept, made, strict=True)]


def reshape(step, shape, h):
    known = math.prod(n for n in step["shape"] if n > 0)
    return tuple(n if n > 0 else len(h) // known for n in step["shape"]), h


def interleave(step, shape, h):
    four, height, width = shape
    c, sides = four // 4, (step["height"], step["width"])
    places = product(range(c), *map(range, sides))
    made = [h[((2 * (i % 2) + j % 2) * c + o) * height * width + i // 2 * width + j // 2] for o, i, j in places]
    return (c, *sides), made


GAP = -(1 << 63)


def read_columns(step, shape, h):
    parts = zip(*(step[name][1] for name in ("column", "kind", "centre", "multiplier", "shift")), strict=True)
    made = [read_one(h[j], kind, centre, m, s, step["high"]) for j, kind, centre, m, s in parts]
    return (len(made),), made


def read_one(x, kind, centre, multiplier, shift, high):
    if kind >= 2:
        return high * (x == (GAP if kind == 3 else centre))
    total = logarithm(clip(x, 0, 1 << 40)) if kind == 1 else clip(x - centre, -(1 << 31), 1 << 31)
    return 0 if x == GAP else clip(rounded(total * multiplier, shift), -high, high)


def logarithm(count):
    octave = (count + 1).bit_length() - 1
    return 1024 * (octave - 5) + (((count + 1 << 5) >> octave) ** 1024).bit_length() - 1


OPERATIONS = {
    "Product": multiply,
    "Read": read_columns,
    "Gate": gate,
    "Activate": activate,
    "Residual": add_input,
    "Reshape": reshape,
    "Interleave": interleave,
}


# -- the integer model -------------------------------------------------------------------------------------------------


def model_of(data):
    """Return the model's objects as dictionaries, its arrays as tensors, and the known answer."""
    (length,) = struct.unpack_from("<I", data)
    plain, place = json.loads(data[4 : 4 + length]), [4 + length]

    def made(x):
        if isinstance(x, list):
            return [made(v) for v in x]
        if isinstance(x, dict) and "array" in x:
            dtype, shape = x["array"]
            form = f"<{math.prod(shape)}{ {'int8': 'b', 'int16': 'h', 'int32': 'i', 'int64': 'q'}[dtype] }"
            found = struct.unpack_from(form, data, place[0])
            place[0] += struct.calcsize(form)
            return tuple(shape), list(found)
        return {k: made(x[k]) for k in sorted(x)} if isinstance(x, dict) and "is" in x else x

    model = made(plain["model"])
    assert place[0] == len(data)
    return model, plain["known_answer"]


# -- sites: the mass below an index, and the number of cells -----------------------------------------------------------


def located(table, components, n_cells):
    """Return the site of components (location, inverse scale, weight) of a table."""

    def below(k):
        if k <= 0:
            return 0
        if k >= n_cells:
            return sum(u for _, _, u in components) << 24
        return sum(u * centre_of(table, ((16 * k - place) * v + (1 << 15)) >> 16) for place, v, u in components)

    return below, n_cells


def joined(site, edges):
    below, _ = site
    return (lambda k: below(edges[k])), len(edges) - 1


class Lattice:
    """Joined cells of units; without steps each cell by itself."""

    def __init__(self, told, n_cells):
        self.told, self.n_cells = told, n_cells
        if told:
            self.counts = [-((f - n_cells) // s) for s, f in zip(told["step"], told["first"], strict=True)]

    def site(self, site, unit):
        if not self.told:
            return site
        (below, _), step, first = site, self.told["step"][unit], self.told["first"][unit]
        return (lambda k: below(clip(first + k * step, 0, self.n_cells))), max(2, *self.counts)

    def cell(self, k, unit):
        if not self.told:
            return k
        step, first = self.told["step"][unit], self.told["first"][unit]
        return clip(first + min(k, self.counts[unit] - 1) * step + step // 2, 0, self.n_cells - 1)


def relative(logits):
    return [WEIGHTS[min(max(logits) - x, 448)] for x in logits]


def shares(logits):
    weights = relative(logits)
    return [4096 * w // sum(weights) for w in weights]


class Walk:
    """The way from all cells of a site to one."""

    def __init__(self, site):
        self.below, self.n = site
        self.low, self.width = 0, 1
        while 4 * self.width < self.n:
            self.width *= 4
        self.ends = self.below(0), self.below(self.n)

    def frequencies(self):
        inner = [self.below(min(self.low + i * self.width, self.n)) for i in (1, 2, 3)]
        a, z = self.ends
        self.masses = [a, *inner, z]
        bounds = [0, *((m - a) * 65532 // max(z - a, 1) + i for i, m in enumerate(inner, 1)), 65536]
        return [256 * (high - low) for low, high in zip(bounds[:-1], bounds[1:], strict=True)]

    def down(self, k):
        self.ends = self.masses[k], self.masses[k + 1]
        self.low += k * self.width
        self.width //= 4


def pop(stack, sites):
    walks = [Walk(site) for site in sites]
    while walks and walks[0].width:
        for walk in walks:
            walk.down(stack.pop(walk.frequencies()))
    return [walk.low for walk in walks]


def push(stack, sites, cells):
    walks, digits = [Walk(site) for site in sites], []
    while walks and walks[0].width:
        for walk, cell in zip(walks, cells, strict=True):
            frequencies, k = walk.frequencies(), (cell - walk.low) // walk.width
            digits.append((k, frequencies))
            walk.down(k)
    for k, frequencies in reversed(digits):
        stack.push(k, frequencies)


# -- densities ---------------------------------------------------------------------------------------------------------


def centred(cells, n_cells):
    return [2 * c + 1 - n_cells for c in cells]


def inverse_scale(normals, log_scale):
    return nearest(normals["inverse"][1], log_scale - normals["lowest"])


def layer_sites(layers, i, features, above):
    made = values(layers["networks"][i], features + centred(above, layers["n_cells"]))
    d = len(made) // 2
    scales = [inverse_scale(layers["normals"], y) for y in made[d:]]
    return [located(NORMAL, [(x, v, 1)], layers["n_cells"]) for x, v in zip(made[:d], scales, strict=True)]


def pop_prior(prior, stack, n_rows, lattice):
    return PRIORS[prior["is"]](prior, stack, n_rows, lattice)


def pop_fixed(prior, stack, n_rows, lattice):
    pairs = enumerate(zip(prior["loc"][1], prior["inverse"][1], strict=True))
    sites = [lattice.site(located(NORMAL, [(x, v, 1)], prior["n_cells"]), j) for j, (x, v) in pairs]
    rows = split(pop(stack, sites * n_rows), len(sites))
    return [[lattice.cell(k, j) for j, k in enumerate(row)] for row in rows]


def pop_autoregressive(prior, stack, n_rows, lattice):
    d, rows = prior["hidden"]["weight"][0][1], [[] for _ in range(n_rows)]
    for j in range(d):
        sites = [lattice.site(autoregressive_site(prior, z, j, d), j) for z in rows]
        for z, k in zip(rows, pop(stack, sites), strict=True):
            z.append(lattice.cell(k, j))
    return rows


def autoregressive_site(prior, z, j, d):
    known = centred(z + [0] * (d - len(z)), prior["n_cells"])
    made = values([prior["hidden"], prior["gate"], prior["out"]], known)
    logits, places, scales = split(made[j::d], prior["n_components"])
    inverse = [inverse_scale(prior["normals"], y) for y in scales]
    return located(NORMAL, list(zip(places, inverse, shares(logits), strict=True)), prior["n_cells"])


def pop_mixture(prior, stack, n_rows, lattice):
    rows = [Mixture(prior) for _ in range(n_rows)]
    for j in range(n_units(prior)):
        for z, k in zip(rows, pop(stack, [lattice.site(z.site(), j) for z in rows]), strict=True):
            z.meet(lattice.cell(k, j))
    return [z.cells for z in rows]


class Mixture:
    """The way from no cell of a row to all: its cells, and each component's distances of them."""

    def __init__(self, prior):
        k, self.d = prior["loc"][0]
        self.parts = [split(prior[name][1], self.d) for name in ("logits", "loc", "inverse")]
        self.lower = split(split(prior["lower"][1] or [0] * (k * self.d**2), self.d), self.d)
        self.n_cells, self.cells, self.far = prior["n_cells"], [], [[] for _ in range(k)]

    def components(self):
        """Return (location, inverse scale, weight) of each component of the next unit."""
        j = len(self.cells)
        logits, places, inverse = ([row[j] for row in part] for part in self.parts)
        logits = [g - (sum(e * e for e in far) >> 14) for g, far in zip(logits, self.far, strict=True)]
        moved = [
            sum(a * e for a, e in zip(m[j], far, strict=False)) for m, far in zip(self.lower, self.far, strict=True)
        ]
        places = [place + rounded(m, 12) for place, m in zip(places, moved, strict=True)]
        return list(zip(places, inverse, shares(logits), strict=True))

    def site(self):
        return located(NORMAL, self.components(), self.n_cells)

    def meet(self, cell):
        for far, (place, v, _) in zip(self.far, self.components(), strict=True):
            far.append(clip(rounded((16 * cell + 8 - place) * v, 16), -8192, 8192))
        self.cells.append(cell)


def pop_top_down(prior, stack, n_rows, lattice):
    rows = pop_prior(prior["top"], stack, n_rows, lattice)
    for i, d in enumerate(prior["below"]["sizes"]):
        units = range(len(rows[0]), len(rows[0]) + d)
        layers = [zip(layer_sites(prior["below"], i, [], z), units, strict=True) for z in rows]
        found = split(pop(stack, [lattice.site(site, j) for layer in layers for site, j in layer]), d)
        told = [[lattice.cell(k, j) for k, j in zip(more, units, strict=True)] for more in found]
        rows = [z + more for z, more in zip(rows, told, strict=True)]
    return rows


PRIORS = {
    "FixedPrior": pop_fixed,
    "MixturePrior": pop_mixture,
    "AutoregressivePrior": pop_autoregressive,
    "TopDownPrior": pop_top_down,
}


def push_posterior(posterior, stack, rows, codes):
    layers, ends = posterior["layers"], [0]
    for d in posterior["layers"]["sizes"]:
        ends.append(ends[-1] + d)
    features = [features_of(posterior, row) for row in rows]
    for i in reversed(range(len(layers["sizes"]))):
        pairs = list(zip(features, codes, strict=True))
        sites = [site for h, z in pairs for site in layer_sites(layers, i, h[i], z[: ends[i]])]
        push(stack, sites, [cell for z in codes for cell in z[ends[i] : ends[i + 1]]])


def features_of(posterior, row):
    """Return the features of each layer, the top one's first."""
    found = [values(posterior["encoder"], row)]
    for steps in posterior["climbs"]:
        found.append(values(steps, found[-1]))
    return found[::-1]


def pop_rows(likelihood, stack, parameters):
    """Return rows of codes, given for each the list of its values' parameters."""
    if likelihood["is"] == "Columns":
        return pop_columns(likelihood, stack, parameters)
    if likelihood["is"] == "ContextLevels":
        return pop_context(likelihood, stack, parameters)
    n_values, flat = len(parameters[0]), [p for row in parameters for p in row]
    found = (pop_bernoulli if likelihood["is"] == "Bernoulli" else pop_levels)(likelihood, stack, flat)
    return split(found, n_values)


def pop_context(likelihood, stack, parameters):
    edges, told = rounding_of(likelihood)
    channels, height, width = likelihood["shape"]
    (*_, side), weights = likelihood["kernel"]
    reach = side // 2
    n_near = (reach + 1) * side
    found = [{} for _ in parameters]  # of a row: values and their distances, by channel, y and x

    def site(p, known, c, y, x):
        total = 0
        for read in range(channels):
            kernel = weights[(c * channels + read) * n_near :][:n_near]
            for k, w in enumerate(kernel):
                place = (read, y + k // side - reach, x + k % side - reach)
                total += w * known[place][1] if w and place in known else 0
        location, log_scale = p[(c * height + y) * width + x]
        moved = clip(location + rounded(total, 12), -(1 << 18), 1 << 18)
        all_levels = located(LOGISTIC, [(moved, inverse_scale(likelihood, log_scale), 1)], likelihood["n_levels"])
        return joined(all_levels, edges)

    for t in range(width + (reach + 1) * (height - 1)):
        for c in range(channels):
            front = [(c, y, t - (reach + 1) * y) for y in range(height) if 0 <= t - (reach + 1) * y < width]
            sites = [site(p, known, *at) for p, known in zip(parameters, found, strict=True) for at in front]
            values = iter([told[k] for k in pop(stack, sites)])
            for p, known in zip(parameters, found, strict=True):
                for _, y, x in front:
                    v = next(values)
                    location = p[(c * height + y) * width + x][0]
                    known[c, y, x] = v, clip(16 * v + 8 - location, -(1 << 15), 1 << 15)
    return [[known[at][0] for at in sorted(known)] for known in found]


def pop_columns(likelihood, stack, parameters):
    rows = [[GAP] * likelihood["n_fields"] for _ in parameters]
    for column in likelihood["columns"]:
        kinds = pop(stack, [weighted(column["kinds"][1])] * len(rows))
        inside, others = ([i for i, kind in enumerate(kinds) if kind in some] for some in ((0,), (2, 3)))
        sites = [column_site(column, [parameters[i][p] for p in column["places"][1]]) for i in inside]
        n_places = -(-column["width"] // column.get("span", 1))
        cells, places = pop(stack, sites), pop(stack, [even(n_places)] * len(inside))
        for i, cell, place in zip(inside, cells, places, strict=True):
            rows[i][column["field"]] = column["low"] + whole_of(column, cell, place)
        words = split(pop(stack, [even(1 << 16)] * (4 * len(others))), 4)
        for i, four in zip(others, words, strict=True):
            rows[i][column["field"]] = struct.unpack("<q", struct.pack("<4H", *four))[0]
    return rows


def whole_of(column, cell, place):
    width, span = column["width"], column.get("span", 1)
    size = max(1, span // width) * width
    if -(-width // span) == 1:
        return min(size * cell + size // 2, column["n_cells"] * width - 1)
    return width * cell + min(span * place + span // 2, width - 1)


def column_site(column, p):
    below, n = DENSITIES[column["density"]["is"]](column["density"], p, column["n_cells"])
    at_once = max(1, column.get("span", 1) // column["width"])
    return (lambda k: below(min(at_once * k, n))), -(-n // at_once)


def weighted(masses):
    return (lambda k: sum(masses[:k])), len(masses)


def even(n):
    return (lambda k: k), n


def coin_site(density, p, n_cells):
    one = centre_of(CHANCES, p[0])
    return weighted([(1 << 24) - one, one])


def bell_site(density, p, n_cells):
    m, (_, inverse) = density["n_components"], density["inverse"]
    scales = p[m : 2 * m] if len(inverse) > 1 else [0] * m
    found = [nearest(inverse, y - density["lowest"]) for y in scales]
    weights = shares(p[-m:]) if m > 1 else [1]
    table = NORMAL if density["of"] == "normal" else LOGISTIC
    return located(table, list(zip(p[:m], found, weights, strict=True)), n_cells)


def counted_site(density, p, n_cells):
    (n_rows, width), flat = density["below"]
    row = clip(p[0] - density["lowest"], 0, n_rows - 1)
    masses = flat[row * width : (row + 1) * width]

    def below(k):
        octave = max(k.bit_length() - 4, 0)
        low, high = masses[8 * octave + (k >> octave) :][:2]
        return low + ((high - low) * (k - (k >> octave << octave)) >> octave)

    octave = max((n_cells - 1).bit_length() - 4, 0)
    whole = masses[8 * octave + (n_cells - 1 >> octave) + 1]
    return (lambda k: whole if k >= n_cells else below(k) if k else 0), n_cells


def atoms_site(density, p, n_cells):
    n_smooth, width, (_, atoms) = density["n_smooth"], density["width"], density["atoms"]
    smooth = density["smooth"]
    below, n = DENSITIES[smooth["is"]](smooth, p[:n_smooth], n_cells // width)
    *weights, rest = relative(p[n_smooth:])

    def mass(k):
        cell, place = divmod(k, width)
        low, high = below(cell), below(min(cell + 1, n))
        atoms_below = sum(w << 8 for w, atom in zip(weights, atoms, strict=True) if atom < k)
        return atoms_below + ((low + (high - low) * place // width) * rest >> 16)

    return mass, n_cells


DENSITIES = {
    "Atoms": atoms_site,
    "Coin": coin_site,
    "Choice": lambda density, p, n_cells: weighted(relative(p)),
    "Bell": bell_site,
    "Counted": counted_site,
}


def pop_bernoulli(likelihood, stack, parameters):
    chances = [centre_of(CHANCES, logit) for (logit,) in parameters]
    return [likelihood["top"] * stack.pop([(1 << 24) - one, one]) for one in chances]


def rounding_of(likelihood):
    """Return the edges of what is told apart, and the levels it is told as."""
    n = likelihood["n_levels"]
    told = likelihood.get("rounding") or {"edges": list(range(n + 1)), "values": list(range(n))}
    return told["edges"], told["values"]


def pop_levels(likelihood, stack, parameters):
    edges, told = rounding_of(likelihood)
    sites, n = [joined(level_site(likelihood, p), edges) for p in parameters], len(told)
    if not likelihood["ends"]:
        return [told[k] for k in pop(stack, sites)]
    kinds = pop(stack, [kind_site(likelihood, p, *site) for p, site in zip(parameters, sites, strict=True)])
    inner = [inner_site(*site) for site, kind in zip(sites, kinds, strict=True) if kind == 1]
    found = iter(pop(stack, inner))
    return [told[1 + next(found) if kind == 1 else (n - 1 if kind > 1 else 0)] for kind in kinds]


def level_site(likelihood, p):
    m = likelihood["n_components"]
    weights = shares(p[2 * m : 3 * m]) if m > 1 else [1]
    inverse = [inverse_scale(likelihood, y) for y in p[m : 2 * m]]
    return located(LOGISTIC, list(zip(p[:m], inverse, weights, strict=True)), likelihood["n_levels"])


def kind_site(likelihood, p, below, n):
    low, middle, high = (w >> 2 for w in relative(p[-3:]))
    shift = 8 if likelihood["n_components"] == 1 else 20
    first, last, whole = (below(k) >> shift for k in (1, n - 1, n))
    masses = [(low << 16) + middle * first, middle * (last - first), (high << 16) + middle * (whole - last)]
    return (lambda k: sum(masses[:k])), 3


def inner_site(below, n):
    return (lambda k: below(k + 1) - below(1)), n - 2


# -- blocks ------------------------------------------------------------------------------------------------------------


def split(flat, size):
    return [flat[i : i + size] for i in range(0, len(flat), size)]


def decode(model, payload, n_rows):
    """Return the rows of codes of a block of method 2."""
    (growth,) = struct.unpack_from("<H", payload)
    stack = Stack(struct.unpack_from(f"<{(len(payload) - 2) // 4}I", payload, 2))
    rows = []
    for number, size in reversed(list(enumerate(batch_sizes(n_rows, growth)))):
        codes = pop_prior(model["prior"], stack, size, Lattice(None, model["n_cells"]))
        parameters = [parameters_of(model, z) for z in codes]
        found = pop_rows(model["likelihood"], stack, parameters)
        if number:
            push_posterior(model["posterior"], stack, found, codes)
        rows = found + rows
    assert (stack.head, stack.words) == (0, [])
    return rows


def decode_latent(model, payload, n_rows, lattice, width=None):
    """Return the rows of codes of a block of method 3."""
    stack = Stack(struct.unpack_from(f"<{(len(payload) - 2) // 4}I", payload, 2))
    codes = pop_prior(model["prior"], stack, n_rows, Lattice(lattice, model["n_cells"]))
    parameters = [parameters_of(model, z) for z in codes]
    if width is None:
        return [[middle(model["likelihood"], p) for p in row] for row in parameters]
    found = []
    for some in split(parameters, 16):
        cells = [Around(model["likelihood"], p, width) for row in some for p in row]
        found += [cell.mean(k) for cell, k in zip(cells, pop(stack, [c.site for c in cells]), strict=True)]
    assert (stack.head, stack.words) == (0, [])
    return split(found, len(parameters[0]))


class Around:
    """Cells of levels around the middle."""

    def __init__(self, likelihood, p, width):
        self.n, self.width, self.below = likelihood["n_levels"], width, all_levels(likelihood, p)
        h = -((1 - self.n) // width)
        self.first = middle(likelihood, p) - width // 2 - h * width
        self.site = (lambda k: self.below(clip(self.first + k * width, 0, self.n))), 2 * h + 1

    def mean(self, k):
        below, n, begin = self.below, self.n, self.first + k * self.width
        edges = [clip(begin + i * self.width // 16, 1, n - 1) for i in range(17)]
        first = below(1) if begin < 1 else 0
        last = below(n) - below(n - 1) if begin + self.width > n - 1 else 0
        twice = sum((below(b) - below(a)) * (a + b - 1) for a, b in itertools.pairwise(edges)) + 2 * (n - 1) * last
        mass = below(edges[16]) - below(edges[0]) + first + last
        return (twice + mass) // (2 * mass) if mass else clip(begin + self.width // 2, 0, n - 1)


def all_levels(likelihood, p):
    """Return the mass below a level."""
    below, n = level_site(likelihood, p)
    if not likelihood["ends"]:
        return below
    low, between, high = (w >> 2 for w in relative(p[-3:]))
    shift = 8 if likelihood["n_components"] == 1 else 20

    def mass(k):
        if k == 0:
            return 0
        return (low + high * (k == n) << 16) + between * (below(k) >> shift)

    return mass


def middle(likelihood, p):
    if likelihood["is"] == "Bernoulli":
        return likelihood["top"] * centre_of(CHANCES, p[0]) + (1 << 23) >> 24
    n = likelihood["n_levels"]
    if likelihood["is"] == "ContextLevels":
        return clip(p[0] >> 4, 0, n - 1)
    m = likelihood["n_components"]
    weights = shares(p[2 * m : 3 * m]) if m > 1 else [1]
    place = sum(u * clip(x, 0, 16 * n - 1) for u, x in zip(weights, p[:m], strict=True)) // sum(weights)
    if not likelihood["ends"]:
        return place >> 4
    low, between, high = (w >> 2 for w in relative(p[-3:]))
    whole = low + between + high
    return (between * (place - 8) + 16 * (n - 1) * high + 8 * whole) // (16 * whole)


def batch_sizes(n_rows, growth):
    sizes, done = [], 0
    while done < n_rows:
        sizes.append(min(max(1, done * growth // 256), 256, n_rows - done))
        done += sizes[-1]
    return sizes


def parameters_of(model, z):
    """Return for each value of a row its parameters; of a table all numbers."""
    made = values(model["decoder"], centred(z, model["n_cells"]))
    if model["likelihood"]["is"] == "Columns":
        return made
    return [made[v :: model["n_values"]] for v in range(model["n_values"])]


# -- the known answer --------------------------------------------------------------------------------------------------


def known_answer(model):
    rows = question(model["n_values"], model["top"] + 1)
    codes = question(n_units(model["prior"]), model["n_cells"])
    told = told_by_layers(
        model["posterior"]["layers"], [features_of(model["posterior"], row) for row in rows], codes, 0
    )
    told += [x for z in codes for x in values(model["decoder"], centred(z, model["n_cells"]))]
    told += told_by_prior(model["prior"], codes)
    return hashlib.sha256(struct.pack(f"<{len(told)}q", *told)).hexdigest()


def question(width, n):
    return split([(k * 0x9E3779B97F4A7C15 % 2**64 >> 32) % n for k in range(1, 4 * width + 1)], width)


def n_units(prior):
    if prior["is"] == "TopDownPrior":
        return n_units(prior["top"]) + sum(prior["below"]["sizes"])
    return prior["hidden"]["weight"][0][1] if prior["is"] == "AutoregressivePrior" else prior["loc"][0][-1]


def told_by_layers(layers, features, codes, start):
    told = []
    for i, d in enumerate(layers["sizes"]):
        inputs = [h[i] + centred(z[:start], layers["n_cells"]) for h, z in zip(features, codes, strict=True)]
        made = [values(layers["networks"][i], read) for read in inputs]
        told += [x for row in made for x in row[:d]]
        told += [inverse_scale(layers["normals"], y) for row in made for y in row[d:]]
        start += d
    return told


def told_by_prior(prior, codes):
    if prior["is"] == "AutoregressivePrior":
        steps = [prior["hidden"], prior["gate"], prior["out"]]
        return [x for z in codes for x in values(steps, centred(z, prior["n_cells"]))]
    if prior["is"] == "FixedPrior":
        return []
    if prior["is"] == "MixturePrior":
        return told_by_mixtures([Mixture(prior) for _ in codes], codes)
    first, nothing = n_units(prior["top"]), [[[]] * len(prior["below"]["sizes"])] * len(codes)
    return told_by_prior(prior["top"], [z[:first] for z in codes]) + told_by_layers(
        prior["below"], nothing, codes, first
    )


def told_by_mixtures(rows, codes):
    told = []
    for cells in zip(*codes, strict=True):
        places, _, weights = zip(*(zip(*row.components(), strict=True) for row in rows), strict=True)
        told += [row[k] for part in (places, weights) for k in range(len(part[0])) for row in part]
        for row, cell in zip(rows, cells, strict=True):
            row.meet(cell)
    return told
