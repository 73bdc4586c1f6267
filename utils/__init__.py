"""The small module behind the course's notebooks; see CONTRIBUTING.md for its rooms."""

# Loaded first, because the limit below reaches only libraries that are there already.
import scipy.linalg  # noqa: F401
import sklearn.neighbors  # noqa: F401
from threadpoolctl import threadpool_limits

# The course fits very many very small models. Threads of the numerical libraries then wait for each other:
# on a busy machine (a workshop's server, Binder) that made some cells up to fifty times slower.
threadpool_limits(limits=1)
