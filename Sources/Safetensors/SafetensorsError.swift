/// The reason why a safetensors file cannot be read, with the name of the file.
package struct SafetensorsError: Error, CustomStringConvertible, Equatable {
    package let description: String

    init(_ file: String, _ problem: String) {
        description = "\(file): \(problem)"
    }

    /// A name from the file in quotes, shortened and printable.
    static func quoted(_ name: String) -> String {
        let limit = 80
        let shown = name.count > limit ? name.prefix(limit) + "…" : name[...]
        return "'" + shown.map { $0.unicodeScalars.allSatisfy(isPrintable) ? String($0) : "?" }.joined() + "'"
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
            false
        default: true
        }
    }
}
