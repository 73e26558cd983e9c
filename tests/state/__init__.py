"""The device API as a state machine: any operation in any order, also from inside imports, against a model that knows
which must be refused and what calls give. What is destroyed stays in Python's hands and is used on."""
