"""The Open Inference Protocol, version 2, over REST, without HTTP: requests from bytes, answers to bytes.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md, with the binary
tensor data extension that Triton and KServe describe. What the protocol leaves open is as MLServer has it.
"""
