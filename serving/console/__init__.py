"""The console: pages for people, over the same routes that programs call.

A page is a template and a module for the browser. The module asks the JSON routes and shows what they answer, so
whatever a person can see or do here a program can, with the same key and the same errors.
"""
