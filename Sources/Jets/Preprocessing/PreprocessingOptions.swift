import Configuration
import HDF5
import MPI

/// The section `preprocessing` of a configuration: how features are brought to a common scale.
package struct PreprocessingOptions: Sendable, Equatable {
    package enum Name: String, CaseIterable, Sendable {
        /// To a standard normal distribution through the quantiles (version 2).
        case quantile
        /// To mean 0 and variance 1 (version 1).
        case standard
    }

    package var name = Name.quantile
    /// The most jets that it is fitted to.
    package var jets = 1_000_000
    package var quantiles = 500

    package init() {}

    /// Decodes the section. Throws `ConfigurationError`.
    ///
    /// - Parameter defaults: what keys that are left out say.
    package init(from section: Section, defaults: PreprocessingOptions = .init()) throws {
        self = defaults
        name = try section.choice("name", of: Name.self, default: name)
        jets = try section.int("jets", default: jets, in: 1...Int(Int32.max))
        switch name {
        case .quantile: quantiles = try section.int("quantiles", default: quantiles, in: 2...100_000)
        case .standard: break
        }
    }

    /// Fits the preprocessing to a dataset; collective, and the same to the bit for any number of ranks.
    /// Throws `AgreedError` where a rank cannot read.
    package func fit(
        _ dataset: JetDataset, features: JetFeatures, seed: UInt64, on communicator: Communicator
    ) throws -> any Preprocessing {
        switch name {
        case .quantile:
            try QuantilePreprocessing.fit(
                dataset, features: features, jets: jets, quantiles: quantiles, seed: seed, on: communicator)
        case .standard:
            try StandardPreprocessing.fit(
                dataset, features: features, jets: jets, seed: seed, on: communicator)
        }
    }

    /// Reads what `Preprocessing.save(to:)` wrote. Throws `HDF5Error`, or `JetError` at contents that do not
    /// fit.
    package static func load(from group: borrowing Group) throws -> any Preprocessing {
        if group.contains("quantiles") { return try QuantilePreprocessing(from: group) }
        return try StandardPreprocessing(from: group)
    }
}
