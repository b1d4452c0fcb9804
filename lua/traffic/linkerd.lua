--- Linkerd splits traffic by SMI v1alpha1.

return require("traffic/smi")("linkerd")
