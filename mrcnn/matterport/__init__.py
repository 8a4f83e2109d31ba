"""Matterport's names over this package's own layers, for scripts written against its API.

`mrcnn.model` gives them all; docs/matterport_api.md says of each what is the same and what is not.
"""
