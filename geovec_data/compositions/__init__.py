"""Compositions: an image, a change of it in words, and the images of its split that show the changed scene.

They cross scenes, so the final stage makes them, from the finished tables and the finished split.
"""
