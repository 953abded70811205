"""Whether chance plays a part."""

import os

# The same cases each time, so that what fails is a change; SLUICE_TEST_FUZZ=random looks for new ones.
REPEATABLE = os.environ.get("SLUICE_TEST_FUZZ") != "random"
