"""Programs for other runtimes: ONNX and OpenVINO graphs whose quantized products run in integers.

An exporter walks the program, one function for each operation; torch is not needed.
"""
