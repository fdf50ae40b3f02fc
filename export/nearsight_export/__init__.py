"""From a trained run to a verified bundle: compression passes, TFLite and ONNX graphs, the certificate."""
