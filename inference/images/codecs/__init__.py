"""Kinds of image files: what OpenCV gets wrong about each is put right here."""
