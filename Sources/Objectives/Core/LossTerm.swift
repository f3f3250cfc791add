/// A mean over the global batch, reported in the metrics; with a weight also a part of the loss:
///
///     loss = Σ weight · sum / count
package struct LossTerm: Sendable, Equatable {
    /// Name of the task or of the measure.
    package let name: String
    /// Weight in the loss that is differentiated; 0 for a measure, such as an accuracy, which has no gradient.
    package let weight: Double
    /// Weight in the total loss that is reported and, unless the objective names a term, selects the best checkpoint.
    package let weightInTotal: Double
    private let isMeasure: Bool

    package init(name: String, weight: Double) {
        (self.name, self.weight, weightInTotal, isMeasure) = (name, weight, weight, false)
    }

    /// A mean that is reported only.
    package init(measure name: String) {
        (self.name, weight, weightInTotal, isMeasure) = (name, 0, 0, true)
    }

    /// A loss that trains something beside the model, such as a probe, and is left out of the reported total.
    package init(monitor name: String) {
        (self.name, weight, weightInTotal, isMeasure) = (name, 1, 0, false)
    }

    /// Column of the metrics, without `train/` or `valid/`.
    package var column: String { isMeasure ? name : name + "_loss" }
}
