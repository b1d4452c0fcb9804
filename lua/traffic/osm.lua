--- Open Service Mesh splits traffic by SMI v1alpha2.

return require("traffic/smi")("osm")
