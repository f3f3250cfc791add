import Configuration

extension RunOptions {
    /// The configuration that a checkpoint was trained with, changed by overrides.
    ///
    /// Throws `HDF5Error` or `TrainingError` where there is no checkpoint, `ConfigurationError` where the overrides do
    /// not fit.
    public init(ofCheckpoint path: String, overrides: [String] = []) throws {
        var configuration = try Configuration(yaml: Checkpoint.configuration(of: path), name: path)
        for override in overrides { try configuration.override(override) }
        try self.init(configuration, name: "unnamed")
    }
}
