"""Binary classifiers of the kernel: options that estimators are made from, how one is fitted, and what serves it."""
