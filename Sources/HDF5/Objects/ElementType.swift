internal import CHDF5

/// The type of the elements of a dataset or an attribute.
package enum ElementType: Equatable, Sendable, CustomStringConvertible {
    /// IEEE floating-point numbers; kaon computes with those of 32 and 64 bits.
    case float16, float32, float64
    case int8, int16, int32, int64
    case uint8, uint16, uint32, uint64
    /// The boolean type of h5py: an enumeration of FALSE and TRUE in one byte. Read and written as `UInt8`, 0 or 1.
    case boolean
    /// Text, of fixed or variable length.
    case string
    /// The name of a type that kaon does not support.
    case other(String)

    package var description: String {
        switch self {
        case .float16: "float16"
        case .float32: "float32"
        case .float64: "float64"
        case .int8: "int8"
        case .int16: "int16"
        case .int32: "int32"
        case .int64: "int64"
        case .uint8: "uint8"
        case .uint16: "uint16"
        case .uint32: "uint32"
        case .uint64: "uint64"
        case .boolean: "boolean"
        case .string: "string"
        case .other(let name): name
        }
    }

    /// True if HDF5 converts between this type and every `HDF5Scalar`.
    package var isNumeric: Bool {
        switch self {
        case .string, .other: false
        default: true
        }
    }

    /// True for integers and for booleans, which are 0 or 1.
    package var isInteger: Bool {
        switch self {
        case .float16, .float32, .float64, .string, .other: false
        default: true
        }
    }
}

extension ElementType {
    /// The element type of a type of the library, of either byte order.
    init(typeID: hid_t) {
        self = HDF5Library.locked {
            let size = H5Tget_size(typeID)
            switch H5Tget_class(typeID) {
            case H5T_FLOAT:
                return [2: .float16, 4: .float32, 8: .float64][size] ?? .other("float\(8 * size)")
            case H5T_INTEGER where H5Tget_sign(typeID) == H5T_SGN_NONE:
                return [1: .uint8, 2: .uint16, 4: .uint32, 8: .uint64][size] ?? .other("uint\(8 * size)")
            case H5T_INTEGER:
                return [1: .int8, 2: .int16, 4: .int32, 8: .int64][size] ?? .other("int\(8 * size)")
            case H5T_ENUM:
                return Self.isBoolean(typeID) ? .boolean : .other("enumeration")
            case H5T_STRING: return .string
            case H5T_COMPOUND: return .other("compound")
            case H5T_ARRAY: return .other("array")
            case H5T_VLEN: return .other("variable-length list")
            case H5T_REFERENCE: return .other("reference")
            case H5T_BITFIELD: return .other("bit field")
            case H5T_TIME: return .other("time")
            default: return .other("opaque")
            }
        }
    }

    private static func isBoolean(_ typeID: hid_t) -> Bool {
        guard H5Tget_size(typeID) == 1, H5Tget_nmembers(typeID) == 2 else { return false }
        var values: (Int8, Int8) = (-1, -1)
        return H5Tenum_valueof(typeID, "FALSE", &values.0) >= 0 && values.0 == 0
            && H5Tenum_valueof(typeID, "TRUE", &values.1) >= 0 && values.1 == 1
    }

    /// The library's type for elements in memory and in new datasets. Throws `HDF5Error` if kaon does not support it.
    func makeType(_ operation: @autoclosure () -> String) throws -> Handle {
        if self == .boolean { return try Self.makeBoolean(operation()) }
        if self == .float16 { return try Self.makeHalf(operation()) }
        guard let native else {
            throw HDF5Error(operation: operation(), reason: "elements of type \(self) are not supported")
        }
        return try Handle(operation(), closedBy: H5Tclose) { H5Tcopy(native) }
    }

    private var native: hid_t? {
        switch self {
        case .float32: kaon_H5T_NATIVE_FLOAT()
        case .float64: kaon_H5T_NATIVE_DOUBLE()
        case .int8: kaon_H5T_NATIVE_INT8()
        case .int16: kaon_H5T_NATIVE_INT16()
        case .int32: kaon_H5T_NATIVE_INT32()
        case .int64: kaon_H5T_NATIVE_INT64()
        case .uint8: kaon_H5T_NATIVE_UINT8()
        case .uint16: kaon_H5T_NATIVE_UINT16()
        case .uint32: kaon_H5T_NATIVE_UINT32()
        case .uint64: kaon_H5T_NATIVE_UINT64()
        case .float16, .boolean, .string, .other: nil
        }
    }

    /// IEEE binary16: a sign, 5 bits of exponent, 10 of mantissa.
    private static func makeHalf(_ operation: @autoclosure () -> String) throws -> Handle {
        let type = try Handle(operation(), closedBy: H5Tclose) { H5Tcopy(kaon_H5T_NATIVE_FLOAT()) }
        try HDF5Library.call(operation()) { H5Tset_fields(type.id, 15, 10, 5, 0, 10) }
        try HDF5Library.call(operation()) { H5Tset_size(type.id, 2) }
        try HDF5Library.call(operation()) { H5Tset_ebias(type.id, 15) }
        return type
    }

    private static func makeBoolean(_ operation: @autoclosure () -> String) throws -> Handle {
        let type = try Handle(operation(), closedBy: H5Tclose) { H5Tenum_create(kaon_H5T_NATIVE_INT8()) }
        for (name, value) in [("FALSE", 0), ("TRUE", 1)] as [(String, Int8)] {
            try HDF5Library.call(operation()) {
                withUnsafePointer(to: value) { H5Tenum_insert(type.id, name, $0) }
            }
        }
        return type
    }
}
