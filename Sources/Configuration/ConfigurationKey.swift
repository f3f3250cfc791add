/// A key that was asked for while a configuration was decoded, and what was expected of it.
package struct ConfigurationKey: Sendable, Equatable {
    /// The dotted path from the root.
    package let path: String
    /// The kind of value with its article, such as `an integer`; empty where nobody asked for the value.
    package let expected: String
    /// What must be true of the value, in words that follow "must be"; empty where nothing must.
    package let requirement: String
    /// The words that it may be; empty where it is no enumeration.
    package let choices: [String]
    /// What it is where it is left out, in YAML; nil where it has to be given.
    package internal(set) var usual: String?
    /// Whether it is a section that may be left out.
    package let isSection: Bool
    /// Whether it was left out or `null`.
    package let isNull: Bool

    /// The same key with another default.
    package func with(usual: String?) -> ConfigurationKey {
        var key = self
        key.usual = usual
        return key
    }
}
