/// A key that was asked for while a configuration was decoded, and what was expected of it.
public struct ConfigurationKey: Sendable, Equatable {
    /// The dotted path from the root.
    public let path: String
    /// The kind of value with its article, such as `an integer`; empty where nobody asked for the value.
    public let expected: String
    /// What must be true of the value, in words that follow "must be"; empty where nothing must.
    public let requirement: String
    /// The words that it may be; empty where it is no enumeration.
    public let choices: [String]
    /// What it is where it is left out, in YAML; nil where it has to be given.
    public internal(set) var usual: String?
    /// Whether it is a section that may be left out.
    public let isSection: Bool
    /// Whether it was left out or `null`.
    public let isNull: Bool

    /// The same key with another default.
    public func with(usual: String?) -> ConfigurationKey {
        var key = self
        key.usual = usual
        return key
    }
}
