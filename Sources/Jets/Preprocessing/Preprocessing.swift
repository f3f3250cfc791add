import System

/// A transformation of the stored features of constituents into the inputs of a network, and its inverse.
///
/// A new kind of preprocessing is one file with a conforming type and one case of `PreprocessingOptions.Name`:
/// `arrays` and `init(features:arrays:)` are all that checkpoints and exported models need.
package protocol Preprocessing: Sendable {
    /// The name of the kind: the key `preprocessing.name` of a configuration, the metadata of an exported model.
    static var name: String { get }
    /// The names of `arrays`, in the same order. No two kinds share a name: a checkpoint stores no other sign of the
    /// kind.
    static var arrayNames: [String] { get }

    /// The features of the output, in the order of its columns.
    var features: JetFeatures { get }
    /// The numbers that were fitted to the data.
    var arrays: [FittedArray] { get }

    /// Rebuilds a preprocessing from its arrays, in the order of `arrayNames`. Throws `JetError` if a shape or a value
    /// does not fit.
    init(features: JetFeatures, arrays: [FittedArray]) throws

    /// Computes the inputs of the constituents of one jet.
    ///
    /// - Parameters:
    ///   - stored: features as stored, `[count, features.storedCount]`.
    ///   - identities: identity class of each of the `count` constituents.
    ///   - jet: global index of the jet; with `seed` and `epoch`, the key of any random numbers.
    ///   - result: output, `[count, features.count]`.
    func apply(
        to stored: UnsafePointer<Float>, identities: UnsafePointer<UInt8>, count: Int, jet: Int, epoch: Int,
        seed: UInt64, into result: UnsafeMutablePointer<Float>)

    /// Turns inputs `[count, features.count]` back into features as stored, in place.
    func invert(_ values: UnsafeMutablePointer<Float>, count: Int)
}

extension Preprocessing {
    /// The features as stored of inputs `[tokens, features.count]`.
    package func inverse(_ values: [Float]) -> [Float] {
        invariant(values.count % features.count == 0, "\(values.count) values do not fill rows of \(features.count)")
        var result = values
        result.withUnsafeMutableBufferPointer { buffer in
            if let base = buffer.baseAddress { invert(base, count: buffer.count / features.count) }
        }
        return result
    }

    /// All features as stored, `[tokens, features.storedCount]`, of inputs `[tokens, features.count]`: features that
    /// are not selected are 0, and so are the impact parameters of neutral constituents. Angles of events are those to
    /// the axis η = φ = 0, too.
    ///
    /// - Parameter identities: identity class of each token, if known.
    package func stored(_ values: [Float], identities: [Int32]?) -> [Float] {
        let inputs = inverse(values)
        let (from, to) = (features.count, features.storedCount)
        let count = inputs.count / from
        var result = [Float](repeating: 0, count: count * to)
        let momenta = features.momentumColumns
        for token in 0..<count {
            let isNeutral = identities.map { features.identities.isNeutral(UInt8($0[token])) } ?? false
            for (column, feature) in features.indices.enumerated()
            where !(isNeutral && JetFeatures.impactParameters.contains(feature)) {
                result[token * to + feature] = inputs[token * from + column]
            }
            for (feature, column) in (momenta ?? []).enumerated() {
                result[token * to + feature] = inputs[token * from + column]
            }
        }
        return result
    }
}
