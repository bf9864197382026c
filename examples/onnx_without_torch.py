"""An exported model at work where there is no torch and no vaekit: numpy and onnxruntime are enough.

python examples/onnx_without_torch.py digits.onnx pictures.npy

after `vaekit export digits.vae -o digits.onnx`. Numbers go in and come out in the data's own units.
"""

import sys

import numpy as np
import onnxruntime as ort

model, pictures = sys.argv[1:]
whole = ort.InferenceSession(model)
decoder = ort.InferenceSession(model.replace(".onnx", ".decoder.onnx"))
rows = whole.get_inputs()[0]
x = np.load(pictures).astype(np.float32 if rows.type == "tensor(float)" else np.float64)

codes, reconstruction = whole.run(None, {"rows": x})
print(f"{len(x)} rows of {x.shape[1:]}, {codes.shape[1]} numbers each; off by {np.abs(x - reconstruction).mean():.3g}")
between = np.linspace(codes[0], codes[1], 5, dtype=np.float32)
(steps,) = decoder.run(None, {"codes": between})
print("from the first row to the second:", steps.shape)
assert "torch" not in sys.modules
