# Marks a function that is written out where it is called, before anything compiles the file
# (host_tools/insitu/package/inline.py). Not on a device.
def inline(function):
    return function
