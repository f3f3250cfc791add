/// What random numbers are for: two streams of one seed never share a number.
///
/// The raw values are part of what a seed means: a released value is never given to another purpose.
public struct RandomStream: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32

    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Initial values of parameters.
    public static let initialisation = RandomStream(rawValue: 1)
    /// The order of the jets in an epoch.
    public static let order = RandomStream(rawValue: 2)
    /// The constituents that are dropped in training.
    public static let masking = RandomStream(rawValue: 3)
    /// The constituents that are dropped in validation.
    public static let validationMasking = RandomStream(rawValue: 4)
    /// The noise in the impact parameters of neutral constituents.
    public static let neutralNoise = RandomStream(rawValue: 5)
    /// Dropout.
    public static let dropout = RandomStream(rawValue: 6)
    /// Times and noise of flows in training.
    public static let flow = RandomStream(rawValue: 7)
    /// k-means and the initial values of code books.
    public static let clustering = RandomStream(rawValue: 8)
    /// Generated jets.
    public static let sampling = RandomStream(rawValue: 9)
    /// The blocks and constituents that a preprocessing is fitted on.
    public static let fit = RandomStream(rawValue: 10)
    /// Times and noise of flows in validation.
    public static let validationFlow = RandomStream(rawValue: 11)
    /// Re-initialised codes of a vector quantiser.
    public static let codeRevival = RandomStream(rawValue: 12)
    /// The samples that background jets fall into.
    public static let noisyLabels = RandomStream(rawValue: 14)
    /// The jets that are chosen from the files.
    public static let selection = RandomStream(rawValue: 13)
}
