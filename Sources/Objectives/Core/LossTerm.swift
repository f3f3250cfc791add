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
    package init(measure: TrainingMeasure) {
        (name, weight, weightInTotal, isMeasure) = (measure.rawValue, 0, 0, true)
    }

    /// A loss that trains something beside the model, such as a probe, and is left out of the reported total.
    package init(monitor name: String) {
        (self.name, weight, weightInTotal, isMeasure) = (name, 1, 0, false)
    }

    /// Column of the metrics, without `train/` or `valid/`.
    package var column: String { isMeasure ? name : name + Self.suffix }

    private static let suffix = "_loss"

    /// True if low values of a column of the metrics are good: a loss, also the total, or an error. The name is without
    /// `train/` or `valid/`.
    package static func isMinimised(column: String) -> Bool {
        column.hasSuffix(suffix) || TrainingMeasure(rawValue: column)?.isMinimised == true
    }
}

/// A column of the metrics that is no loss, by name.
package enum TrainingMeasure: String, CaseIterable, Sendable {
    case accuracy
    case pairAccuracy = "pair_accuracy"
    case probeAccuracy = "probe_accuracy"
    /// Mean absolute error.
    case meanAbsoluteError = "mae"
    /// Share of the codes of a VQ-VAE that are in use.
    case codeUsage = "code_usage"
    case perplexity

    /// True if low values are good.
    package var isMinimised: Bool {
        switch self {
        case .meanAbsoluteError: true
        case .accuracy, .pairAccuracy, .probeAccuracy, .codeUsage, .perplexity: false
        }
    }
}
