"""JSON Schemas of rule files, made from a folder's own vocabulary, so that editors help to type."""
