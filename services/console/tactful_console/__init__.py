"""Console: operators' web pages; reads stores, acts only by appending records."""
