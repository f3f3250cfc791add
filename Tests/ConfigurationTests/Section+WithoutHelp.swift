import Configuration

/// The methods of `Section` without the description of the key, which most tests do not need.
extension Section {
    func int(_ key: String, default: Int? = nil, in range: ClosedRange<Int>? = nil) throws -> Int {
        try int(key, default: `default`, in: range, help: "a key")
    }

    func optionalInt(_ key: String, in range: ClosedRange<Int>? = nil, absent: String? = nil) throws -> Int? {
        try optionalInt(key, in: range, absent: absent, help: "a key")
    }

    func optionalInts(_ key: String, in range: ClosedRange<Int>? = nil, absent: String? = nil) throws -> [Int]? {
        try optionalInts(key, in: range, absent: absent, help: "a key")
    }

    func double(_ key: String, default: Double? = nil, in range: ClosedRange<Double>? = nil) throws -> Double {
        try double(key, default: `default`, in: range, help: "a key")
    }

    func optionalDouble(_ key: String, default: Double? = nil) throws -> Double? {
        try optionalDouble(key, default: `default`, help: "a key")
    }

    func doubles(_ key: String, in range: ClosedRange<Double>? = nil) throws -> [Double] {
        try doubles(key, in: range, help: "a key")
    }

    func bool(_ key: String, default: Bool? = nil) throws -> Bool {
        try bool(key, default: `default`, help: "a key")
    }

    func string(_ key: String, default: String? = nil) throws -> String {
        try string(key, default: `default`, help: "a key")
    }

    func optionalString(_ key: String) throws -> String? {
        try optionalString(key, help: "a key")
    }

    func strings(_ key: String, default: [String]? = nil) throws -> [String] {
        try strings(key, default: `default`, help: "a key")
    }

    func optionalStrings(_ key: String, absent: String? = nil) throws -> [String]? {
        try optionalStrings(key, absent: absent, help: "a key")
    }

    func optionalPath(_ key: String) throws -> String? {
        try optionalPath(key, help: "a key")
    }

    func paths(_ key: String) throws -> [String] {
        try paths(key, help: "a key")
    }

    func choice<C: RawRepresentable & CaseIterable>(
        _ key: String, of type: C.Type = C.self, default: C? = nil
    ) throws -> C where C.RawValue == String {
        try choice(key, of: type, default: `default`, help: "a key")
    }

    func optionalSection(_ key: String) throws -> Section? {
        try optionalSection(key, help: "a section")
    }
}
