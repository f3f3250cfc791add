import System
import Tensors

/// Throws `KaonError` if a tensor of a file, which training would start from, has values that are not finite.
func checkIsFinite(_ values: Tensor, of name: String, in path: String) throws {
    guard values.buffer.allSatisfy(\.isFinite) else {
        throw KaonError(
            "\(path): the tensor \(name) has values that are not finite; use weights from before the training diverged")
    }
}
