/// The validated header of a file.
///
/// In a valid header every tensor has a known type and as many bytes as its shape requires, in the file and aligned to
/// the size of an element; together the tensors cover the bytes after the header exactly once.
struct SafetensorsHeader: Sendable {
    /// A tensor of the file.
    struct Entry: Sendable, Equatable {
        let type: SafetensorsType
        let shape: [Int]
        /// The range of the values, relative to the end of the header.
        let bytes: Range<Int>
    }

    /// The limit of the format [bytes].
    static let maximumLength = 100_000_000

    private(set) var metadata: [String: String] = [:]
    private(set) var entries: [String: Entry] = [:]

    /// Parses the JSON of a header that is followed by `bodyBytes` bytes. Throws `Problem`.
    init(json: [UInt8], bodyBytes: Int) throws {
        var scanner = JSONScanner(json)
        try scanner.object { scanner, name in
            if name == "__metadata__" {
                try scanner.object { scanner, key in metadata[key] = try scanner.string() }
            } else {
                entries[name] = try Self.entry(name, &scanner, bodyBytes)
            }
        }
        try scanner.end()
        try checkCover(bodyBytes)
    }

    private static func entry(_ name: String, _ scanner: inout JSONScanner, _ bodyBytes: Int) throws -> Entry {
        let tensor = "the tensor \(SafetensorsError.quoted(name))"
        var (typeName, shape, offsets) = (String?.none, [Int]?.none, [Int]?.none)
        try scanner.object { scanner, key in
            switch key {
            case "dtype": typeName = try scanner.string()
            case "shape": shape = try scanner.naturals(atMost: 64)
            case "data_offsets": offsets = try scanner.naturals(atMost: 2)
            default:
                throw Problem("\(tensor) has the unknown field \(SafetensorsError.quoted(key))")
            }
        }
        guard let typeName, let shape, let offsets else {
            throw Problem(
                "\(tensor) lacks \(typeName == nil ? "dtype" : shape == nil ? "shape" : "data_offsets")")
        }
        guard let type = SafetensorsType(rawValue: typeName) else {
            throw Problem("\(tensor) has the unknown type \(SafetensorsError.quoted(typeName))")
        }
        guard offsets.count == 2, offsets[0] <= offsets[1], offsets[1] <= bodyBytes else {
            throw Problem(
                "\(tensor) has the data_offsets \(offsets), but \(bodyBytes) bytes follow the header")
        }
        guard offsets[0] % type.size == 0 else {
            throw Problem("\(tensor) begins at byte \(offsets[0]), which is not a multiple of \(type.size)")
        }
        guard let size = product(shape, type.size), size == offsets[1] - offsets[0] else {
            throw Problem(
                "\(tensor) has \(offsets[1] - offsets[0]) bytes, which do not fit its shape \(shape) and type "
                    + typeName)
        }
        return Entry(type: type, shape: shape, bytes: offsets[0]..<offsets[1])
    }

    /// The product of the extents and a size; nil if it overflows.
    private static func product(_ shape: [Int], _ size: Int) -> Int? {
        if shape.contains(0) { return 0 }
        var result = size
        for extent in shape {
            let (product, overflows) = result.multipliedReportingOverflow(by: extent)
            if overflows { return nil }
            result = product
        }
        return result
    }

    private func checkCover(_ bodyBytes: Int) throws {
        let inOrder = entries.sorted {
            ($0.value.bytes.lowerBound, $0.value.bytes.upperBound, $0.key)
                < ($1.value.bytes.lowerBound, $1.value.bytes.upperBound, $1.key)
        }
        var end = 0
        for (name, entry) in inOrder {
            let begin = entry.bytes.lowerBound
            guard begin == end else {
                throw Problem(
                    "the tensor \(SafetensorsError.quoted(name)) begins at byte \(begin), "
                        + (begin < end ? "inside another tensor" : "after a gap from byte \(end)"))
            }
            end = entry.bytes.upperBound
        }
        guard end == bodyBytes else {
            throw Problem(
                "the tensors have \(end) bytes, but \(bodyBytes) follow the header; is the file complete?")
        }
    }

    /// The reason why a header is invalid, without the name of the file.
    struct Problem: Error {
        let text: String
        init(_ text: String) { self.text = text }
    }
}
