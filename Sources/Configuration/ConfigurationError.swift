/// What is wrong with a configuration, in words for the person who wrote it:
/// `configs/x.yaml:12: model.encoder.widht: unknown key; did you mean 'width'?`
///
/// Several unknown keys are reported together, one line each.
public struct ConfigurationError: Error, CustomStringConvertible, Equatable {
    /// Place, dotted key and complaint, ready to be printed.
    public let description: String

    init(_ description: String) {
        self.description = description
    }

    init(_ place: Place, _ path: String, _ message: String) {
        self.init(path.isEmpty ? "\(place): \(message)" : "\(place): \(path): \(message)")
    }
}
