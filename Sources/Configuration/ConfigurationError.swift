/// What is wrong with a configuration, in words for the person who wrote it:
/// `configs/x.yaml:12: model.encoder.widht: unknown key; did you mean 'width'?`
///
/// Several unknown keys are reported together, one line each.
package struct ConfigurationError: Error, CustomStringConvertible, Equatable {
    /// Place, dotted key and complaint, ready to be printed.
    package let description: String

    /// Several complaints about one file, as one.
    init(_ complaints: [ConfigurationError]) {
        let limit = 20
        let lines = complaints.prefix(limit).map(\.description)
        let rest = complaints.count - lines.count
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
