# Prints, of everything in the folder that has extended attributes: its path and the attribute's value in hex, and between them
# the name of the attribute. Node has no call for them.
import os
import sys


def look(path):
    for name in os.listxattr(path, follow_symlinks=False):
        value = os.getxattr(path, name, follow_symlinks=False)
        print(path.hex(), name, value.hex() or "-")


def fail(error):
    raise error


root = os.fsencode(sys.argv[1])
look(root)
for folder, folders, files in os.walk(root, onerror=fail):
    for name in folders + files:
        look(os.path.join(folder, name))
