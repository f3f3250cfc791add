import Jets
import Tensors

extension ObjectiveState {
    /// The state of an objective or of inputs that have bins; empty before the fit.
    init(bins: FeatureBins?) {
        self.init()
        tensors["borders"] = bins?.table
    }

    /// The bins of a state. Throws `ObjectiveError` if there are not `count` bins of `features` features.
    ///
    /// - Parameter section: the section of the configuration that defines the bins.
    func bins(_ count: Int, features: Int, section: String) throws -> FeatureBins {
        try FeatureBins(
            table: tensor(
                "borders", shape: [features, count - 1],
                wanted: "\(section) requires \(count) bins of \(features) features"))
    }
}
