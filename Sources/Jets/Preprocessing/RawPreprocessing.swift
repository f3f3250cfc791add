/// The selected features as they are stored.
package struct RawPreprocessing: Preprocessing {
    package static let name = "raw"
    package static let arrayNames: [String] = []

    package let features: JetFeatures
    package var arrays: [FittedArray] { [] }

    package init(features: JetFeatures = .all) {
        self.features = features
    }

    package init(features: JetFeatures, arrays: [FittedArray]) {
        self.init(features: features)
    }

    package func apply(
        to stored: UnsafePointer<Float>, identities: UnsafePointer<UInt8>, count: Int, jet: Int, epoch: Int,
        seed: UInt64, into result: UnsafeMutablePointer<Float>
    ) {
        let (from, to) = (features.storedCount, features.count)
        for (column, feature) in features.indices.enumerated() {
            for token in 0..<count { result[token * to + column] = stored[token * from + feature] }
        }
    }

    package func invert(_ values: UnsafeMutablePointer<Float>, count: Int) {}
}
