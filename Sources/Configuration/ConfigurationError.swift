/// An error in a configuration, in words for the person who wrote it:
/// `configs/x.yaml:12: model.encoder.widht: unknown key; did you mean 'width'?`
///
/// Several unknown keys are reported together, one line each.
package struct ConfigurationError: Error, CustomStringConvertible, Equatable {
    /// Place, dotted key and message, ready to print.
    package let description: String

    /// Combines several errors about one file.
    init(_ errors: [ConfigurationError]) {
        let limit = 20
        let lines = errors.prefix(limit).map(\.description)
        let rest = errors.count - lines.count
        description = lines.joined(separator: "\n") + (rest > 0 ? " (and \(rest) more unknown keys)" : "")
    }

    init(_ file: String, _ message: String) {
        description = "\(printable(file, limit: 1000)): \(printable(message))"
    }

    init(_ place: Place, _ path: String, _ message: String) {
        let subject = printable("\(place)", limit: 1000)
        let key = path.isEmpty ? "" : "\(printable(path)): "
        description = "\(subject): \(key)\(printable(message))"
    }
}
