"""The prediction service: whatever the registry calls champion, over HTTP."""

import warnings

# Matrices go to estimators that were fitted on data frames, once it is known that they answer the same.
warnings.filterwarnings("ignore", message="X does not have valid feature names", category=UserWarning)
# MLflow 3 warns about type hints of its own when it is imported, which no reader of our log can act on.
warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType", category=UserWarning)
