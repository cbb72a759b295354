// Package view shows tables that change on a full terminal screen: a few lines
// about everything, one of several tables below them, sorted, filtered and
// scrolled by keys, and a line that says which keys there are.
//
//	Model ──Page──▶ View ──▶ tcell.Screen
//	                  ▲────── keys, sizes
//
// The view asks its model for what is visible, and no more. It gives the
// terminal back however it ends, also by a panic.
package view
