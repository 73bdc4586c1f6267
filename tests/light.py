"""Loaded before all plugins of pytest, so that each of its programs starts four seconds earlier."""

import sys

# jsonschema, which reads notebooks, takes this package where it finds it, and it compiles forty grammars for
# addresses in other alphabets. No test asks whether such an address is well formed.
sys.modules["rfc3987_syntax"] = None
