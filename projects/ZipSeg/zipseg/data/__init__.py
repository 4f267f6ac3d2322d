"""Images, names and COCO-format files, in and out."""
