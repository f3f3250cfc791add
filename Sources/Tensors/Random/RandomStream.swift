/// The purpose of random numbers: different streams of a seed have different numbers.
///
/// Reproducibility depends on the raw values: once released, a value is never reused for another purpose.
package struct RandomStream: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32

    @inlinable
    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Initial values of parameters.
    package static let initialisation = RandomStream(rawValue: 1)
    /// The order of jets in an epoch.
    package static let order = RandomStream(rawValue: 2)
    /// The choice of masked constituents in training.
    package static let masking = RandomStream(rawValue: 3)
    /// The choice of masked constituents in validation.
    package static let validationMasking = RandomStream(rawValue: 4)
    /// The noise in the impact parameters of neutral constituents.
    package static let neutralNoise = RandomStream(rawValue: 5)
    /// Dropout of activations.
    package static let dropout = RandomStream(rawValue: 6)
    /// Times and noise of flows in training.
    package static let flow = RandomStream(rawValue: 7)
    /// k-means and the initial values of codebooks.
    package static let clustering = RandomStream(rawValue: 8)
    /// Generated jets.
    package static let sampling = RandomStream(rawValue: 9)
    /// The choice of blocks and constituents for fitting a preprocessing.
    package static let fit = RandomStream(rawValue: 10)
    /// Times and noise of flows in validation.
    package static let validationFlow = RandomStream(rawValue: 11)
    /// Re-initialised codes of a vector quantiser.
    package static let codeRevival = RandomStream(rawValue: 12)
    /// The assignment of background jets to the mixed samples.
    package static let noisyLabels = RandomStream(rawValue: 14)
    /// The resamplings of a bootstrap.
    package static let bootstrap = RandomStream(rawValue: 15)
    /// Dropout of attention weights; the upper half of the number is the place in the network.
    package static let attentionDropout = RandomStream(rawValue: 16)
    /// The selection of jets from the files.
    package static let selection = RandomStream(rawValue: 13)
}
