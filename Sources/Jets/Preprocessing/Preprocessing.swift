import HDF5
import System

/// Turns the stored features of jets into what a network sees, and back.
package protocol Preprocessing: Sendable {
    /// The features it gives, in the order of the columns.
    var features: JetFeatures { get }

    /// Computes the inputs of the constituents of one jet.
    ///
    /// - Parameters:
    ///   - stored: `count` × 7 features as stored.
    ///   - identities: what each of the `count` constituents is.
    ///   - result: `count` × `features.count` values to fill.
    ///   - jet: the global index of the jet, which with seed and epoch names any random numbers.
    func apply(
        to stored: UnsafePointer<Float>, identities: UnsafePointer<UInt8>, count: Int, jet: Int, epoch: Int,
        seed: UInt64, into result: UnsafeMutablePointer<Float>)

    /// Turns `count` × `features.count` inputs back into features as stored, in place.
    func invert(_ values: UnsafeMutablePointer<Float>, count: Int)

    /// Writes what was learned from the data, with checksums. Throws `HDF5Error`.
    func save(to group: borrowing Group) throws
}

extension Preprocessing {
    /// The stored features of inputs (`features.count` a row).
    package func inverse(_ values: [Float]) -> [Float] {
        invariant(
            values.count % features.count == 0, "\(values.count) values are no rows of \(features.count)")
        var result = values
        result.withUnsafeMutableBufferPointer { buffer in
            if let base = buffer.baseAddress { invert(base, count: buffer.count / features.count) }
        }
        return result
    }

    /// All seven features of inputs (`features.count` a row) as stored: those that were not selected are zero, and
    /// so are the impact parameters of neutral constituents.
    ///
    /// - Parameter identities: what each constituent is, where that is known.
    package func stored(_ values: [Float], identities: [Int32]?) -> [Float] {
        let inputs = inverse(values)
        let (from, to) = (features.count, JetFeatures.allNames.count)
        let count = inputs.count / from
        var result = [Float](repeating: 0, count: count * to)
        for token in 0..<count {
            let isNeutral = identities.map { JetFeatures.isNeutral(UInt8($0[token])) } ?? false
            for (column, feature) in features.indices.enumerated()
            where !(isNeutral && JetFeatures.impactParameters.contains(feature)) {
                result[token * to + feature] = inputs[token * from + column]
            }
        }
        return result
    }
}

/// Gives the selected features as they are stored.
package struct RawPreprocessing: Preprocessing {
    package let features: JetFeatures

    /// Gives the features of the selection.
    package init(features: JetFeatures = .all) {
        self.features = features
    }

    package func apply(
        to stored: UnsafePointer<Float>, identities: UnsafePointer<UInt8>, count: Int, jet: Int, epoch: Int,
        seed: UInt64, into result: UnsafeMutablePointer<Float>
    ) {
        let (from, to) = (JetFeatures.allNames.count, features.count)
        for (column, feature) in features.indices.enumerated() {
            for token in 0..<count { result[token * to + column] = stored[token * from + feature] }
        }
    }

    package func invert(_ values: UnsafeMutablePointer<Float>, count: Int) {}

    package func save(to group: borrowing Group) throws {}
}
