"""The small module behind the course's notebooks; see CONTRIBUTING.md for its rooms."""

import scipy.linalg  # noqa: F401  (loads SciPy's linear algebra library, so that the limit below reaches it)
from threadpoolctl import threadpool_limits

# The course fits very many very small models. Threads of the linear algebra library then wait for each
# other: on a busy machine (a workshop's server, Binder) that made lessons up to fifty times slower.
threadpool_limits(limits=1, user_api="blas")
