import Configuration
import Testing

/// The text of the configuration error that `body` throws; fails the test when it throws none.
func complaint(_ body: () throws -> Void, at location: SourceLocation = #_sourceLocation) -> String {
    do {
        try body()
        Issue.record("no error was thrown", sourceLocation: location)
        return ""
    } catch {
        return "\(error)"
    }
}

/// The root section of some YAML, called `x.yaml`, after overrides.
func section(_ yaml: String, _ overrides: String...) throws -> Section {
    var configuration = try Configuration(yaml: yaml, name: "x.yaml")
    for argument in overrides { try configuration.override(argument) }
    return configuration.section()
}
