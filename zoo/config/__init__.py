"""What a cell and a control setting are: frozen, checked, hashed.

Everything that decides a number is a field here; a field's default keeps older numbers and hashes.
torch is not imported here, so that a grid is checked at once.
"""
