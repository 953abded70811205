// What of an evaluation's document is shown how.

// Counts that the confusion matrix shows better.
const COUNTS = new Set(["tn", "fp", "fn", "tp"]);

/** The metrics to show first, best known first: [name, value]. */
export function metricsOf({ accuracy, metrics }) {
  const all = { ...(typeof accuracy === "number" ? { accuracy } : {}), ...metrics };
  return Object.entries(all).filter(([name, value]) => !COUNTS.has(name) && typeof value === "number");
}

/** Rows are true classes, columns predicted ones; null where there is no matrix. */
export function confusionOf({ classes, confusion_matrix: counts }) {
  return Array.isArray(classes) && Array.isArray(counts) && counts.length === classes.length ? { classes: classes.map(String), counts } : null;
}

/** True and predicted labels of the same rows; null where there are none. */
export function labelsOf({ labels, predictions, rows }) {
  return Array.isArray(labels) && Array.isArray(predictions) ? { truth: labels, predicted: predictions, total: rows ?? labels.length } : null;
}
