"""Forward-Forward and backpropagation on data of one's own, here scikit-learn's digits."""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import ffrepro
from ffrepro.nets import MLP

X, y = load_digits(return_X_y=True)  # (1797, 64), 0 to 16; ten classes
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, test_size=0.2, random_state=0)
for method in ("ff", "backprop"):
    learner = ffrepro.fit(MLP(64, (100, 100)), (X_train, y_train), method, epochs=10)
    print(f"{method:8s} test accuracy {learner.score(X_test, y_test):.3f}")
