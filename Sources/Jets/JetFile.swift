/// A file of jets, whatever its layout.
public protocol JetFile: AnyObject, Sendable {
    /// The path as given.
    var path: String { get }
    /// The number of jets.
    var count: Int { get }
    /// The number of jets that is best read at once: a multiple of the chunk length where chunks are small.
    var blockRows: Int { get }
    /// The names of the classes by label; empty where the file does not tell.
    var classNames: [String] { get }
    /// Reads jets. Throws `HDF5Error`, or `JetError` at values that cannot be used.
    func read(rows: Range<Int>) throws -> JetBlock
}
