internal import CHDF5

/// A number type in memory. HDF5 converts between it and the type of a dataset.
package protocol HDF5Scalar: BitwiseCopyable, Sendable {
    /// The corresponding type of HDF5.
    static var elementType: ElementType { get }
}

extension Float: HDF5Scalar { package static var elementType: ElementType { .float32 } }
extension Double: HDF5Scalar { package static var elementType: ElementType { .float64 } }
extension Int8: HDF5Scalar { package static var elementType: ElementType { .int8 } }
extension Int16: HDF5Scalar { package static var elementType: ElementType { .int16 } }
extension Int32: HDF5Scalar { package static var elementType: ElementType { .int32 } }
extension Int64: HDF5Scalar { package static var elementType: ElementType { .int64 } }
extension Int: HDF5Scalar { package static var elementType: ElementType { .int64 } }
extension UInt8: HDF5Scalar { package static var elementType: ElementType { .uint8 } }
extension UInt16: HDF5Scalar { package static var elementType: ElementType { .uint16 } }
extension UInt32: HDF5Scalar { package static var elementType: ElementType { .uint32 } }
extension UInt64: HDF5Scalar { package static var elementType: ElementType { .uint64 } }
