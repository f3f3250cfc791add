import Foundation
import Safetensors

/// A safetensors file. If it is accepted, its tensors have as many values as their shapes require.
struct SafetensorsSubject: Subject {
    private let path: String
    private let valid: Data
    private let mutation = TextMutation(words: [
        "dtype", "shape", "data_offsets", "__metadata__", "F32", "I64", "BF16", "weight", "bias", "{", "}",
        "[", "]", ":", ",",
        "\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},", "\\u0041", "\\ud83d\\ude80", "\\",
    ])

    init(_ folder: String) throws {
        path = folder + "/input.safetensors"
        var writer = SafetensorsWriter(metadata: ["format": "pt", "step": "12"])
        writer.add("encoder.weight", (0..<12).map { Float($0) / 7 }, shape: [3, 4])
        writer.add("encoder.bias", [Float](repeating: 1, count: 3), shape: [3])
        writer.add("tokens", [1, -2, 3, 4], shape: [2, 2])
        writer.add("scale", [Float(2)], shape: [])
        valid = writer.encoded
    }

    func tryInput(_ random: inout SplitMix) throws {
        var bytes = Array(valid)
        if random.oneIn(2) {
            let length = Int(bytes[0]) | Int(bytes[1]) << 8
            var header = String(decoding: bytes[8..<8 + length], as: UTF8.self)
            mutation.apply(to: &header, &random)
            let body = bytes[(8 + length)...]
            // Mostly with the correct length, because a wrong length is refused before the header is read.
            let count = header.utf8.count + (random.oneIn(8) ? random.below(9) - 4 : 0)
            bytes = (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + Array(header.utf8) + body
        }
        if random.oneIn(2) { Mutation.apply(to: &bytes, &random) }
        try Data(bytes).write(to: URL(fileURLWithPath: path))

        let file = try SafetensorsFile(contentsOf: path)
        for name in file.names {
            let count = try file.shape(name).reduce(1, *)
            let found =
                switch try file.type(name) {
                case .float32: try file.floats(name).count
                case .int64: try file.integers(name).count
                default: count
                }
            guard found == count else { throw Fault(description: "\(found) values of \(count)") }
        }
    }
}
