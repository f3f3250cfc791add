import Jets
import Tensors

/// Training or validation; masks and noise of the two come from different random streams.
package enum Phase: Sendable, Equatable {
    /// A training step, counted from 0.
    case training(step: Int)
    case validation

    package var isTraining: Bool { self != .validation }

    /// Random stream of the masks.
    package var maskingStream: RandomStream { isTraining ? .masking : .validationMasking }
    /// Random stream of the times and the noise of flows.
    package var flowStream: RandomStream { isTraining ? .flow : .validationFlow }
}

extension JetBatch {
    /// Random numbers of dropout for the constituents; nil outside training and without dropout.
    func dropoutKeys(_ phase: Phase, isUsed: Bool, seed: UInt64) -> TokenKeys? {
        guard isUsed, phase.isTraining else { return nil }
        return TokenKeys(seed: seed, epoch: epoch, jets: jets, offsets: offsets)
    }
}
