import Configuration
import HDF5
import MPI

/// The section `preprocessing` of a configuration: the transformation that brings features to a common scale.
package struct PreprocessingOptions: Sendable, Equatable {
    package enum Name: String, CaseIterable, Sendable {
        /// To a standard normal distribution through the quantiles (version 2).
        case quantile
        /// To mean 0 and variance 1 (version 1).
        case standard

        /// The type that rebuilds a preprocessing of this name from its arrays.
        package var type: any Preprocessing.Type {
            switch self {
            case .quantile: QuantilePreprocessing.self
            case .standard: StandardPreprocessing.self
            }
        }
    }

    package var name = Name.quantile
    /// The largest number of jets to fit to.
    package var jets = 1_000_000
    /// Quantiles of each feature.
    package var quantiles = 500

    package init() {}

    /// Decodes the section. Throws `ConfigurationError`.
    ///
    /// - Parameter defaults: values of the keys that are left out.
    package init(from section: Section, defaults: PreprocessingOptions = .init()) throws {
        self = defaults
        name = try section.choice(
            "name", of: Name.self, default: name,
            help: "map of each feature: by quantiles to a standard normal distribution (version 2), or to mean 0 and "
                + "variance 1 (version 1)")
        jets = try section.int(
            "jets", default: jets, in: 1...Int(Int32.max), help: "maximum number of jets that it is fitted to")
        switch name {
        case .quantile:
            quantiles = try section.int(
                "quantiles", default: quantiles, in: 2...100_000, help: "number of quantiles of each feature")
        case .standard: break
        }
    }

    /// Fits the preprocessing to a dataset; collective, and bit-identical for any number of ranks. Throws
    /// `AgreedError` if a rank cannot read.
    ///
    /// - Parameter warn: receives sentences about features that cannot be what their names say.
    package func fit(
        _ dataset: JetDataset, features: JetFeatures, seed: UInt64, on communicator: Communicator,
        warn: (String) -> Void = { _ in }
    ) throws -> any Preprocessing {
        switch name {
        case .quantile:
            try QuantilePreprocessing.fit(
                dataset, features: features, jets: jets, quantiles: quantiles, seed: seed, on: communicator,
                warn: warn)
        case .standard:
            try StandardPreprocessing.fit(
                dataset, features: features, jets: jets, seed: seed, on: communicator, warn: warn)
        }
    }

    /// Reads a group that `Preprocessing.save(to:)` wrote. Throws `HDF5Error`, or `JetError` if the contents do not
    /// fit.
    package static func load(from group: borrowing Group) throws -> any Preprocessing {
        for name in Name.allCases where name.type.arrayNames.contains(where: { group.contains($0) }) {
            return try name.type.init(from: group)
        }
        let names = Name.allCases.flatMap { $0.type.arrayNames }.joined(separator: ", ")
        throw JetError("\(group.path) holds no preprocessing: it has none of the datasets \(names)")
    }
}
